/*---
source: shop
group: [month, region]
---*/
SELECT date_trunc('month', day) AS month, upper(region) AS region FROM orders ORDER BY upper(region), date_trunc('month', day)
