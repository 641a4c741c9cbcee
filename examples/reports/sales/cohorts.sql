/*---
# A matrix: one column a quarter. SQL names its columns, so they are written
# out. format: is Excel's own word for how a number is shown; a list of values
# expands inside IN ( ).
title: Cohorts
description: What the customers who joined in the same year spent in each quarter, on average.
source: shop
parameters:
  countries:
    type: text
    label: Countries
    many: true
    optional: true
    help: Left empty it is all of them.
    options: [CN, CZ, DE, EG, ES, FR, GR, IL, IN, IS, JP, KR, PL, RU, TH, US, VN]
columns:
  joined:    {title: Joined in, as: id}
  customers: {title: Customers, total: sum}
  q1_2024:   {title: Q1 2024, as: money, format: "#,##0", total: avg}
  q2_2024:   {title: Q2 2024, as: money, format: "#,##0", total: avg}
  q3_2024:   {title: Q3 2024, as: money, format: "#,##0", total: avg}
  q4_2024:   {title: Q4 2024, as: money, format: "#,##0", total: avg}
  q1_2025:   {title: Q1 2025, as: money, format: "#,##0", total: avg}
  q2_2025:   {title: Q2 2025, as: money, format: "#,##0", total: avg}
  q3_2025:   {title: Q3 2025, as: money, format: "#,##0", total: avg}
  q4_2025:   {title: Q4 2025, as: money, format: "#,##0", total: avg}
pdf: {orientation: landscape}
---*/
WITH spent AS (
  SELECT customer_id, substr(ordered_at, 1, 4) || 'Q' || ((substr(ordered_at, 6, 2) + 2) / 3) AS quarter, sum(cents) / 100.0 AS amount
  FROM orders
  GROUP BY customer_id, quarter
)
SELECT substr(c.since, 1, 4) AS joined, count(DISTINCT c.id) AS customers,
       round(sum(CASE s.quarter WHEN '2024Q1' THEN s.amount END) / count(DISTINCT c.id), 2) AS q1_2024,
       round(sum(CASE s.quarter WHEN '2024Q2' THEN s.amount END) / count(DISTINCT c.id), 2) AS q2_2024,
       round(sum(CASE s.quarter WHEN '2024Q3' THEN s.amount END) / count(DISTINCT c.id), 2) AS q3_2024,
       round(sum(CASE s.quarter WHEN '2024Q4' THEN s.amount END) / count(DISTINCT c.id), 2) AS q4_2024,
       round(sum(CASE s.quarter WHEN '2025Q1' THEN s.amount END) / count(DISTINCT c.id), 2) AS q1_2025,
       round(sum(CASE s.quarter WHEN '2025Q2' THEN s.amount END) / count(DISTINCT c.id), 2) AS q2_2025,
       round(sum(CASE s.quarter WHEN '2025Q3' THEN s.amount END) / count(DISTINCT c.id), 2) AS q3_2025,
       round(sum(CASE s.quarter WHEN '2025Q4' THEN s.amount END) / count(DISTINCT c.id), 2) AS q4_2025
FROM customers c LEFT JOIN spent s ON s.customer_id = c.id
WHERE 1 = 1
[[ AND c.country IN (:countries) ]]
GROUP BY joined
ORDER BY joined
