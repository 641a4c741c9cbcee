/*---
source: shop
---*/
SELECT id, (ARRAY[[1, 2]])[1][1] AS x, '{{1}}'::int[][[1]] AS y FROM orders ORDER BY id
