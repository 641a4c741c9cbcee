/*---
source: shop
---*/
SELECT id FROM orders ORDER BY id
/*---
part: more
source: shop
retention: 7d
---*/
SELECT 2 AS two
