"""The page: a model and a browser go in; drawings, answers and the reasons for them come out.

`front/` is the page itself, plain files without a build step; `front_files` hands them to the server.
`write_page` writes them with the decision file as a folder that needs no server program of ours.
"""

from euinet.page.facts import held_out_names, model_facts
from euinet.page.files import FrontFile, front_files
from euinet.page.write import write_page

__all__ = ["FrontFile", "front_files", "held_out_names", "model_facts", "write_page"]
