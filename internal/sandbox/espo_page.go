package sandbox

import "strings"

// slimPage is the error page of the framework below EspoCRM, as recorded in 07-errors-not-found.
func slimPage(title, text string) string {
	return strings.NewReplacer("@@T", title, "@@X", text).Replace(`<!doctype html><html lang="en">    <head>        <meta charset="utf-8">        <meta name="viewport" content="width=device-width, initial-scale=1">        <title>@@T</title>        <style>            body{margin:0;padding:30px;font:12px/1.5 Helvetica,Arial,Verdana,sans-serif}            h1{margin:0;font-size:48px;font-weight:normal;line-height:48px}            strong{display:inline-block;width:65px}        </style>    </head>    <body>        <h1>@@T</h1>        <div><p>@@X</p></div>        <a href="#" onclick="window.history.go(-1)">Go Back</a>    </body></html>`)
}
