/*---
source: shop
---*/
SELECT id FROM orders ORDER BY id
/*---
part: more
---*/

SELECT id FROM ordrs ORDER BY id
