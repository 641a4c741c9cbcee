/*---
# Words in several languages: the file speaks the language of whoever asks. A
# pattern keeps out what can be no article number before anything is asked.
title: {en: Price list, de: Preisliste, fr: Tarif, es: Lista de precios}
description:
  en: What each article last cost.
  de: Was jeder Artikel zuletzt kostete.
  fr: Le dernier prix de chaque article.
  es: El último precio de cada artículo.
source: shop
parameters:
  begins:
    type: text
    label: {en: Article begins with, de: Artikel beginnt mit, fr: L’article commence par, es: El artículo empieza por}
    optional: true
    pattern: "[0-9]{1,6}"
    help: {en: Up to six digits., de: Bis zu sechs Ziffern., fr: Six chiffres au plus., es: Hasta seis cifras.}
formats: [pdf, xlsx, csv]
file: price-list
columns:
  sku:     {title: {en: Article, de: Artikel, fr: Article, es: Artículo}, as: id}
  price:   {title: {en: Price, de: Preis, fr: Prix, es: Precio}, as: money}
  changed: {title: {en: Last sold, de: Zuletzt verkauft, fr: Dernière vente, es: Última venta}, as: date}
  sold:    {title: {en: Pieces sold, de: Verkaufte Stücke, fr: Pièces vendues, es: Piezas vendidas}, total: sum}
pdf: {paper: a5}
retention: 1d
---*/
SELECT sku, price, substr(ordered_at, 1, 10) AS changed, sold
FROM (
  SELECT sku, price, ordered_at, sum(quantity) OVER (PARTITION BY sku) AS sold,
         row_number() OVER (PARTITION BY sku ORDER BY ordered_at DESC, id DESC) AS nth
  FROM orders
  WHERE 1 = 1
  [[ AND sku LIKE :begins || '%' ]]
) AS sale
WHERE nth = 1
ORDER BY sku
