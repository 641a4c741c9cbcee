/*---
source: shop
---*/
SELECT o.id, p.id FROM orders o, orders p ORDER BY o.id, p.id
