/*---
source: shop
as_user: {}
---*/
SELECT id FROM orders ORDER BY id
