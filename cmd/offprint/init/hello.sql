/*---
title: Hello
description: A first report. Copy it, and write your own query below.
source: shop
parameters:
  country: {type: text, label: Country, default: DE}
columns:
  name:   {title: Customer}
  since:  {title: Customer since}
  credit: {title: Credit, as: money, total: sum}
---*/
SELECT name, since, credit
FROM customers
WHERE country = :country
ORDER BY name
