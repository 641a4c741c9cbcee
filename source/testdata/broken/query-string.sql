/*---
source: shop
---*/
SELECT id FROM orders WHERE region = 'it''s ORDER BY id
