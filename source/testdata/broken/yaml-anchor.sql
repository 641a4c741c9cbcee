/*---
source: shop
title: &t Orders
description: *t
---*/
SELECT id FROM orders ORDER BY id
