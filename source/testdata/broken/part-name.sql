/*---
source: shop
part: The Sums
---*/
SELECT id FROM orders ORDER BY id
