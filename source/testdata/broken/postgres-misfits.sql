/*---
source: shop
columns:
  id: {as: date}
  region: {as: money, total: sum}
  day: {as: money}
  amount: {as: bool}
  stamp: {total: sum}
  paid: {as: percent}
  note: {format: "#,##0.00"}
  price: {format: yyyy-mm-dd}
---*/
SELECT id, region, day, amount, stamp, paid, note, price FROM orders ORDER BY id
