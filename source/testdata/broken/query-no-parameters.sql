/*---
source: shop
---*/
SELECT id FROM orders WHERE region = :region ORDER BY id
