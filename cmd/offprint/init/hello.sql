/*---
title: Hello
description: A first report. Copy it, and write your own query below.
source: shop
parameters:
  name: {type: text, label: Whom to greet, default: world}
columns:
  greeting: {title: Greeting}
---*/
SELECT 'Hello, ' || :name AS greeting
