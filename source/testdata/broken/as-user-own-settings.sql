/*---
source: shop
as_user: {set: {search_path: x, App.tenant: y}}
---*/
SELECT id FROM orders ORDER BY id
