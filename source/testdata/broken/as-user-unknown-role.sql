/*---
source: shop
as_user: {role: nobody_knows}
---*/
SELECT id FROM orders ORDER BY id
