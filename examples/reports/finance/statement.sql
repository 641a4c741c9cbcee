/*---
# For one customer, who is looked for in the database: the country narrows the
# choice. A running balance, whose total is its last value. The link opens the
# invoice in another system.
title: Statement
description: Everything that one customer bought and paid, with the balance.
source: shop
parameters:
  country:
    type: text
    label: Country
    optional: true
    help: Only to find the customer sooner.
    options: {query: "SELECT DISTINCT country FROM customers ORDER BY country", tenants: shared}
  customer:
    type: int
    label: Customer
    default: 1
    options:
      query: |
        SELECT id, name FROM customers
        WHERE 1 = 1
        [[ AND country = :country ]]
        ORDER BY name, id
  period:   {type: period, label: Period, default: "2025-01-01..2025-12-31"}
formats: [pdf, xlsx, csv]
file: "statement-{customer}-{period}"
columns:
  day:      {title: Day, as: date}
  order_no: {title: Invoice, as: id, link: "https://erp.example.com/invoices/{order_no}"}
  amount:   {title: Invoiced, as: money, total: sum}
  paid:     {title: Paid, as: money, total: sum}
  balance:  {title: Balance, as: money, total: last}
about: off
pdf: {paper: a4}
---*/
SELECT substr(o.ordered_at, 1, 10) AS day, o.order_no, o.amount, CASE WHEN o.paid THEN o.amount END AS paid,
       printf('%.2f', sum(CASE WHEN o.paid THEN 0 ELSE o.cents END) OVER (ORDER BY o.ordered_at, o.id) / 100.0) AS balance
FROM orders o
WHERE o.customer_id = :customer AND o.ordered_at >= :period.start AND o.ordered_at < :period.end
ORDER BY o.ordered_at, o.id
