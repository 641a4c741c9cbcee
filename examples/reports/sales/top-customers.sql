/*---
# Numbers as parameters, with bounds; a share of the whole as a percentage; a
# rank and a total that both come from window functions; a link to another
# system, whose address is fixed here and only filled in from the row.
title: Top customers
description: Who bought most in a period, and how much of all revenue that is.
source: shop
parameters:
  period: {type: period, label: Period, default: "2025-01-01..2025-12-31"}
  top:    {type: int, label: How many, default: 20, min: 1, max: 500}
  least:  {type: decimal, label: Only from this revenue on, optional: true, min: 0, help: In euros. Left empty it is everybody.}
columns:
  rank:     {title: Rank, as: id, width: 6}
  customer: {title: Customer, link: "https://crm.example.com/customers/{id}"}
  id:       {title: Customer number, as: id, hide: true}
  country:  {title: Country}
  orders:   {title: Orders, total: sum}
  revenue:  {title: Revenue, as: money, total: sum}
  share:    {title: Share, as: percent, format: "0.00%", total: sum, note: Of the revenue of all customers in the period.}
---*/
WITH bought AS (
  SELECT customer_id, count(*) AS orders, sum(cents) AS cents
  FROM orders
  WHERE ordered_at >= :period.start_at AND ordered_at < :period.end_at
  GROUP BY customer_id
)
SELECT rank() OVER (ORDER BY b.cents DESC) AS rank, c.name AS customer, c.id, c.country, b.orders,
       printf('%.2f', b.cents / 100.0) AS revenue, 1.0 * b.cents / (SELECT sum(cents) FROM bought) AS share
FROM bought b JOIN customers c ON c.id = b.customer_id
WHERE 1 = 1
[[ AND b.cents >= 100 * :least ]]
ORDER BY b.cents DESC, c.id
LIMIT :top
