/*---
source: shop
columns:
  id: {title: Number}
 amount: {title: Amount}
---*/
SELECT id FROM orders ORDER BY id
