/*---
source: shop
as_user: {setting: {app.tenant: x}, role: none}
---*/
SELECT id FROM orders ORDER BY id
