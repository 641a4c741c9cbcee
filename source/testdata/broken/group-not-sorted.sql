/*---
source: shop
group: [region, day]
---*/
SELECT o.region, o.day AS day, o.id FROM orders o ORDER BY o.region DESC NULLS LAST, o.id, o.day
