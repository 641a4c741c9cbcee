/*---
source: shop
title: Orders
title: All orders
---*/
SELECT id FROM orders ORDER BY id
