/*---
# One day instead of a period, and columns that are worked out from it. The
# least of a column of days is a total too.
title: Receivables
description: What is owed, by customer and by how late it is.
source: shop
parameters:
  as_of: {type: date, label: As of, default: "2025-12-31", max: today}
  least: {type: decimal, label: Only from this amount on, default: "1000.00", min: 0}
columns:
  number:   {title: Number, as: id}
  customer: {title: Customer}
  not_due:  {title: Not due, as: money, total: sum}
  days_30:  {title: 1–30 days late, as: money, total: sum}
  days_60:  {title: 31–60 days late, as: money, total: sum}
  days_90:  {title: 61–90 days late, as: money, total: sum}
  older:    {title: More than 90, as: money, total: sum}
  owed:     {title: All, as: money, total: sum}
  oldest:   {title: Oldest due day, as: date, total: min}
pdf: {orientation: landscape}
---*/
WITH open AS (
  SELECT customer_id, cents, due, julianday(:as_of) - julianday(due) AS late
  FROM orders
  WHERE paid = 0 AND cents > 0 AND due IS NOT NULL AND ordered_at < date(:as_of, '+1 day')
)
SELECT c.id AS number, c.name AS customer,
       printf('%.2f', sum(CASE WHEN late <= 0 THEN cents END) / 100.0) AS not_due,
       printf('%.2f', sum(CASE WHEN late BETWEEN 1 AND 30 THEN cents END) / 100.0) AS days_30,
       printf('%.2f', sum(CASE WHEN late BETWEEN 31 AND 60 THEN cents END) / 100.0) AS days_60,
       printf('%.2f', sum(CASE WHEN late BETWEEN 61 AND 90 THEN cents END) / 100.0) AS days_90,
       printf('%.2f', sum(CASE WHEN late > 90 THEN cents END) / 100.0) AS older,
       printf('%.2f', sum(cents) / 100.0) AS owed, min(due) AS oldest
FROM open JOIN customers c ON c.id = open.customer_id
GROUP BY c.id, c.name
HAVING sum(cents) >= 100 * :least
ORDER BY sum(cents) DESC, c.id
