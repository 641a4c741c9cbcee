/*---
source: shop
---*/
SELECT id FROM orders ORDER BY id
/*---
part: more
---*/
