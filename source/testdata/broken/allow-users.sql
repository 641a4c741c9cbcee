/*---
source: shop
allow: {users: [mary]}
---*/
SELECT id FROM orders ORDER BY id
