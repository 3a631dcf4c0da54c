"""stub"""
WEIGHTS_FOLDER=None
class PublishError(Exception): pass
