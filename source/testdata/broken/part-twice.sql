/*---
source: shop
part: sums
---*/
SELECT id FROM orders ORDER BY id
/*---
part: sums
---*/
SELECT 2 AS two
