/*---
source: shop
columns:
  id: {title: Amount}
  amount: {title: AMOUNT}
  region: {title: {en: Amount, de: Region}}
---*/
SELECT id, amount, region FROM orders ORDER BY id
