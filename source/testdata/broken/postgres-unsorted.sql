/*---
source: shop
---*/
-- the newest first
SELECT id, amount FROM orders WHERE id IN (SELECT id FROM orders ORDER BY id)
