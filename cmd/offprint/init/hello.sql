/*---
# What people see stands here, the query below. Copy this file and change both:
# its name is the report's. All that may be said, by task and with examples:
# https://github.com/offprint/offprint/blob/main/docs/reports.md
title: Hello
description: The customers of a country, and what they may buy on credit.
source: shop
parameters:
  country: {type: text, label: Country, default: DE, options: {query: "SELECT DISTINCT country FROM customers ORDER BY country"}}
  joined:  {type: period, label: Joined in, optional: true, help: Left empty it is everybody.}
columns:
  name:   {title: Customer}
  since:  {title: Customer since}
  credit: {title: Credit, as: money, total: sum}
---*/
SELECT name, since, round(credit, 2) AS credit
FROM customers
WHERE country = :country
-- What stands in double brackets falls away when joined is left empty.
[[ AND since >= :joined.start_at AND since < :joined.end_at ]]
ORDER BY name, id
