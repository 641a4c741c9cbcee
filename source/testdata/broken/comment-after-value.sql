/*---
source: shop
title: Invoice #5
---*/
SELECT id FROM orders ORDER BY id
