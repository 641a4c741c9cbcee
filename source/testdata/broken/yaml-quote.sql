/*---
source: shop
title: "Orders
description: All.
---*/
SELECT id FROM orders ORDER BY id
