/*---
source: shop
title: Orders: all of them
---*/
SELECT id FROM orders ORDER BY id
