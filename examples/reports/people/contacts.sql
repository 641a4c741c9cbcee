/*---
# Safe for tenants: :user.tenant comes from the sign-in and cannot be sent. A
# report without it is hidden from askers who have a tenant. Here the tenant is
# a country. Nobody has roles on offprint demo, so it is not shown there; try
#   offprint run contacts --tenant DE --role branch -o contacts.xlsx
title: Contacts
description: The customers of your own branch.
source: shop
parameters:
  search: {type: text, label: Name contains, optional: true, max: 100}
allow: {roles: [branch]}
columns:
  name:  {title: Name}
  email: {title: E-mail}
  since: {title: Customer since, as: datetime, format: yyyy-mm-dd}
---*/
SELECT name, email, since
FROM customers
WHERE country = :user.tenant
[[ AND name LIKE '%' || :search || '%' ]]
ORDER BY name, id
