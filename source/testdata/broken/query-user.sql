/*---
source: shop
---*/
SELECT id FROM orders WHERE region = :user ORDER BY id
