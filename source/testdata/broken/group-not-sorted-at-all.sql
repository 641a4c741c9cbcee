/*---
source: shop
group: [region]
---*/
SELECT region, id FROM orders
