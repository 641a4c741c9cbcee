/*---
# A search: [[ ]] round what falls away when nothing was searched for.
title: Customers
description: Everybody who ever bought something, with what they bought.
source: shop
parameters:
  search: {type: text, label: Name contains, optional: true}
  vip: {type: bool, label: Only the most important, optional: true}
columns:
  id:       {title: Number, as: id}
  name:     {title: Name}
  email:    {title: E-mail}
  country:  {title: Country}
  founded:  {title: Founded}
  since:    {title: Customer since}
  vip:      {title: Important}
  credit:   {title: Credit, as: money, total: sum}
  orders:   {title: Orders, total: sum}
  note:     {title: Note}
---*/
SELECT c.id, c.name, c.email, c.country, c.founded, c.since, c.vip, c.credit, (SELECT count(*) FROM orders o WHERE o.customer_id = c.id) AS orders, c.note
FROM customers c
WHERE 1 = 1
[[ AND c.name LIKE '%' || :search || '%' ]]
[[ AND c.vip = :vip ]]
ORDER BY c.id
