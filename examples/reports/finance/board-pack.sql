/*---
# Three queries in one document: a sheet each in Excel, a section each in PDF,
# a zip of files in CSV. All of them read one snapshot, so the numbers agree.
title: Board pack
description: Revenue by region, the ten best customers, and what is owed.
source: shop
parameters:
  period: {type: period, label: Period, default: "2025-10-01..2025-12-31"}
formats: [pdf, xlsx, csv]
file: "board-pack-{period}"
part: regions
columns:
  region:  {title: Region}
  orders:  {title: Orders, total: sum}
  revenue: {title: Revenue, as: money, total: sum}
  share:   {title: Share, as: percent, format: "0.0%", total: sum}
pdf: {footer: Confidential}
---*/
SELECT r.name AS region, count(*) AS orders, printf('%.2f', sum(o.cents) / 100.0) AS revenue,
       1.0 * sum(o.cents) / sum(sum(o.cents)) OVER () AS share
FROM orders o JOIN regions r ON r.code = o.region
WHERE o.ordered_at >= :period.start AND o.ordered_at < :period.end
GROUP BY r.name
ORDER BY sum(o.cents) DESC

/*---
part: customers
title: The ten best customers
columns:
  customer: {title: Customer}
  country:  {title: Country}
  revenue:  {title: Revenue, as: money, total: sum}
---*/
SELECT c.name AS customer, c.country, printf('%.2f', sum(o.cents) / 100.0) AS revenue
FROM orders o JOIN customers c ON c.id = o.customer_id
WHERE o.ordered_at >= :period.start AND o.ordered_at < :period.end
GROUP BY c.id
ORDER BY sum(o.cents) DESC, c.id
LIMIT 10

/*---
part: owed
title: What is owed
columns:
  month:  {title: Due in}
  orders: {title: Invoices, total: sum}
  amount: {title: Amount, as: money, total: sum}
---*/
SELECT substr(due, 1, 7) AS month, count(*) AS orders, printf('%.2f', sum(cents) / 100.0) AS amount
FROM orders
WHERE paid = 0 AND due IS NOT NULL AND ordered_at < :period.end
GROUP BY month
ORDER BY month
