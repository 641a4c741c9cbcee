/*---
source: shop
allow: {roles: []}
---*/
SELECT id FROM orders ORDER BY id
