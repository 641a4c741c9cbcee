/*---
source: shop
columns:
  amount: {as: money, currency: amount}
---*/
SELECT id, amount FROM orders ORDER BY id
