/*---
source: shop
---
title: Orders
---*/
SELECT id FROM orders ORDER BY id
