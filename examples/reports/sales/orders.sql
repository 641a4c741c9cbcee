/*---
# The plain list: a period, a choice that may be left open, one row a line.
# start_at and end_at are the midnights of whoever asks, so that an order of
# the last evening is in, wherever the asker lives.
title: Orders
description: Every order of a period, one line each.
source: shop
parameters:
  period: {type: period, label: Period, default: "2024-01-01..2025-12-31"}
  region:
    type: text
    label: Region
    optional: true
    options:
      - {value: EU, label: Europe}
      - {value: NA, label: North America}
      - {value: LA, label: Latin America}
      - {value: AP, label: Asia and the Pacific}
      - {value: MEA, label: Middle East and Africa}
columns:
  order_no:   {title: Order, as: id}
  ordered_at: {title: Ordered}
  customer:   {title: Customer}
  region:     {title: Region}
  sku:        {title: Article, as: id}
  quantity:   {title: Quantity, total: sum}
  price:      {title: Price, as: money}
  amount:     {title: Amount, as: money, total: sum}
  discount:   {title: Discount, as: number}
  paid:       {title: Paid}
  due:        {title: Due}
  rating:     {title: Rating, format: "0.0"}
  comment:    {title: Comment}
---*/
SELECT o.order_no, o.ordered_at, c.name AS customer, o.region, o.sku, o.quantity, o.price, o.amount, o.discount, o.paid, o.due, o.rating, o.comment
FROM orders o JOIN customers c ON c.id = o.customer_id
WHERE o.ordered_at >= :period.start_at AND o.ordered_at < :period.end_at
[[ AND o.region = :region ]]
ORDER BY o.id
