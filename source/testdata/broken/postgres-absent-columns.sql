/*---
source: shop
columns:
  idd: {title: Number}
  amount: {as: money, currency: currency}
  region: {link: "https://erp.example.com/{order_id}"}
---*/
SELECT id, amount, region FROM orders ORDER BY id
