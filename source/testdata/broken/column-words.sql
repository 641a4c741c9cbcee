/*---
source: shop
columns:
  id: {as: currency, total: summe, width: wide, hide: 1}
  amount: {as: euro}
---*/
SELECT id, amount FROM orders ORDER BY id
