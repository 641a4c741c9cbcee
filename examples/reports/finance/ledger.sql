/*---
# An export for the bookkeepers, with a subtotal for each region and each day of
# it. Money in two currencies: the amount in euros has a total; what was
# invoiced is in the currency of the region. That has subtotals, but no total,
# for one over several currencies would be a lie.
title: Ledger
description: Every invoice of a period by region, as invoiced and in euros.
source: shop
parameters:
  period: {type: period, label: Period, default: "2025-12-01..2025-12-31"}
formats: [xlsx, csv, pdf]
file: "ledger-{period}"
group: [region, day]
columns:
  region:   {title: Region}
  day:      {title: Day, as: date}
  order_no: {title: Invoice, as: id}
  customer: {title: Customer}
  invoiced: {title: Invoiced, as: money, currency: currency, total: sum}
  currency: {title: Currency}
  amount:   {title: Amount in EUR, as: money, total: sum}
csv: {dialect: excel}
pdf: {orientation: landscape, footer: For internal use}
retention: 30d
max_rows: 500000
timeout: 30m
---*/
WITH rate(region, currency, cents) AS (
  VALUES ('EU', 'EUR', 100), ('NA', 'USD', 110), ('LA', 'BRL', 600), ('AP', 'AUD', 165), ('MEA', 'AED', 400)
)
SELECT r.name AS region, substr(o.ordered_at, 1, 10) AS day, o.order_no, c.name AS customer,
       printf('%.2f', o.cents * rate.cents / 10000.0) AS invoiced, rate.currency, o.amount
FROM orders o
JOIN customers c ON c.id = o.customer_id
JOIN regions r ON r.code = o.region
JOIN rate ON rate.region = o.region
WHERE o.ordered_at >= :period.start AND o.ordered_at < :period.end
ORDER BY r.name, o.ordered_at, o.id
