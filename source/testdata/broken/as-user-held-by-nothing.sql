/*---
source: shop
as_user: {set: {app.tenant: ":user.tenant"}}
---*/
SELECT id FROM orders ORDER BY id
