/*---
source: shop
---*/
SELECT id FROM orders [[ WHERE region = :user.region ]] ORDER BY id
