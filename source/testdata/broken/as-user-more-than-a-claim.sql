/*---
source: shop
as_user: {set: {app.tenant: "t-:user.tenant"}}
---*/
SELECT id FROM orders ORDER BY id
