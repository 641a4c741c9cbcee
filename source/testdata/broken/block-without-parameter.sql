/*---
source: shop
---*/
SELECT id FROM orders [[ WHERE region = 1 ]] ORDER BY id
