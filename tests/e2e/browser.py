# SPDX-License-Identifier: Apache-2.0
"""A real browser without a screen, driven by its own protocol over a pair of pipes: no port, no library."""
import base64
import json
import os
import subprocess


class Browser:
    """One process for many pages. Every request that a page makes and everything it logs is kept."""

    def __init__(self, program, home):
        read_ours, write_theirs = os.pipe()
        read_theirs, write_ours = os.pipe()

        def hand_over():  # they read 3 and write 4; neither may be overwritten before it was moved
            high_in, high_out = os.dup(read_theirs), os.dup(write_theirs)
            os.dup2(high_in, 3)
            os.dup2(high_out, 4)

        self.process = subprocess.Popen(
            [program, "--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe", "--hide-scrollbars",
             "--disable-dev-shm-usage", "--user-data-dir=%s" % home, "--force-color-profile=srgb", "about:blank"],
            env={**os.environ, "HOME": str(home)}, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, close_fds=False, preexec_fn=hand_over)
        os.close(read_theirs)
        os.close(write_theirs)
        self.input, self.output = os.fdopen(write_ours, "wb"), os.fdopen(read_ours, "rb")
        self.number, self.events, self.rest = 0, [], b""
        target = self.call("Target.createTarget", session=None, url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", session=None, targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log", "DOM", "Audits"):
            self.call(domain + ".enable")

    def message(self):
        while b"\0" not in self.rest:
            data = os.read(self.output.fileno(), 1 << 20)
            assert data, "the browser has ended"
            self.rest += data
        one, self.rest = self.rest.split(b"\0", 1)
        return json.loads(one)

    def call(self, method, session="", **params):
        self.number += 1
        request = {"id": self.number, "method": method, "params": params}
        if session is not None:
            request["sessionId"] = self.session
        self.input.write(json.dumps(request).encode() + b"\0")
        self.input.flush()
        while True:
            got = self.message()
            if got.get("id") == self.number:
                assert "error" not in got, (method, got["error"])
                return got["result"]
            self.events.append(got)

    def open(self, path, width=1440, height=900, dark=False, media="screen"):
        """Returns the events until the page is loaded."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1,
                  mobile=width < 600)
        self.call("Emulation.setEmulatedMedia", media=media, features=[
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])
        self.events = []
        self.call("Page.navigate", url="file://%s" % path)
        while not any(e["method"] == "Page.loadEventFired" for e in self.events):
            self.events.append(self.message())
        self.evaluate("1")  # what was logged meanwhile came before this answer
        return self.events

    def evaluate(self, expression):
        """Of the tester, not of the page: a page's own scripts would be stopped by its policy."""
        got = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in got, got
        return got["result"].get("value")

    def requests(self):
        return [e["params"]["request"]["url"] for e in self.events if e["method"] == "Network.requestWillBeSent"]

    def complaints(self):
        return [e for e in self.events if e["method"] in (
            "Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Audits.issueAdded")]

    def screenshot(self, path, whole=True):
        png = base64.b64decode(self.call("Page.captureScreenshot", captureBeyondViewport=whole)["data"])
        with open(path, "wb") as file:
            file.write(png)

    def pdf(self):
        return base64.b64decode(self.call("Page.printToPDF", preferCSSPageSize=True)["data"])

    def accessible(self):
        """Nodes as someone who does not see the page gets them: (role, name, description)."""
        return [(n.get("role", {}).get("value"), n.get("name", {}).get("value", ""),
                 n.get("description", {}).get("value", ""))
                for n in self.call("Accessibility.getFullAXTree")["nodes"] if not n["ignored"]]

    def close(self):
        self.input.close()
        self.output.close()
        self.process.terminate()
        self.process.wait(10)
