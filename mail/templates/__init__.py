"""What mails say: each template in English and Russian, as text and HTML, with variables that are checked strictly.

`catalog` declares the templates and their variables; `files/<locale>/<template_id>.txt` holds subject and text,
`files/<locale>/<template_id>.html` the HTML. A test renders every one of them in every language.
"""
