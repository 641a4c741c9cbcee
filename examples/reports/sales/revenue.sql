/*---
# Rows that the query adds up. start and end are days, which is what a report
# by calendar months compares with. A subtotal for each region.
title: Revenue
description: Orders and revenue by region and month, as the calendar of UTC has it.
source: shop
parameters:
  period: {type: period, label: Period, default: "2024-01-01..2025-12-31"}
group: [region]
columns:
  region:  {title: Region}
  month:   {title: Month}
  orders:  {title: Orders, total: sum}
  units:   {title: Units, total: sum}
  revenue: {title: Revenue, as: money, total: sum}
  average: {title: Average order, as: money}
---*/
SELECT r.name AS region, substr(o.ordered_at, 1, 7) AS month, count(*) AS orders, sum(o.quantity) AS units,
       printf('%.2f', sum(o.cents) / 100.0) AS revenue, sum(o.cents) / count(*) / 100.0 AS average
FROM orders o JOIN regions r ON r.code = o.region
WHERE o.ordered_at >= :period.start AND o.ordered_at < :period.end
GROUP BY r.name, month
ORDER BY r.name, month
