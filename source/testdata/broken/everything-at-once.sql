/*---
titel: Orders
source: shop
retention: 7 days
parameters:
  region: {type: txt}
columns:
  id: {as: number, totl: sum}
---*/
SELECT :nothing FROM orders [[ WHERE 1 ]]
