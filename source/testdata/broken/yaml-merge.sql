/*---
source: shop
columns:
  id: {<<: {title: Number}}
---*/
SELECT id FROM orders ORDER BY id
